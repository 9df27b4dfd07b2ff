package org.junit

import kotlin.math.abs

/** Stands in for JUnit's. */
annotation class Test

object Assert {
    @JvmStatic
    fun assertArrayEquals(expected: ByteArray, actual: ByteArray) = check(expected contentEquals actual) { "bytes differ" }

    @JvmStatic
    fun assertArrayEquals(expected: FloatArray, actual: FloatArray, delta: Float) {
        check(expected.size == actual.size) { "sizes differ" }
        expected.indices.forEach { check(abs(expected[it] - actual[it]) <= delta) { "$it differs" } }
    }
}
