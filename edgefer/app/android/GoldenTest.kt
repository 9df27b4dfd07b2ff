package $package

import org.junit.Assert.assertArrayEquals
import org.junit.Test

/** On this machine: the golden pictures must become the golden inputs, byte for byte. */
class GoldenTest {
$pictures

    private fun check(picture: String, width: Int, height: Int, input: String) {
        val bytes = golden(picture).map { it.toInt() and 0xFF }
        val face = IntArray(width * height) { (bytes[3 * it] shl 16) or (bytes[3 * it + 1] shl 8) or bytes[3 * it + 2] }
        val made = Preprocessing.toInput(face, width, height)
        assertArrayEquals(golden(input), ByteArray(made.remaining()).also { made.get(it) })
    }

    private fun golden(name: String) = javaClass.getResourceAsStream("/golden/$$name")!!.use { it.readBytes() }
}
