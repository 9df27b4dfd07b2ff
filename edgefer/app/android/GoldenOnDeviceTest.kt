package $package

import android.graphics.BitmapFactory
import androidx.test.platform.app.InstrumentationRegistry
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.junit.Assert.assertArrayEquals
import org.junit.Test

/** On a phone: LiteRT must answer the golden inputs, and the pictures that they were made of, as it did for edgefer. */
class GoldenOnDeviceTest {
    private val instrumentation = InstrumentationRegistry.getInstrumentation()

$answers

    private fun check(picture: String, input: String, expected: FloatArray, tolerance: Float) {
        val values = golden(input)
        val buffer = ByteBuffer.allocateDirect(values.size).order(ByteOrder.nativeOrder()).put(values)
        buffer.rewind()
        val face = golden(picture).let { BitmapFactory.decodeByteArray(it, 0, it.size) }
        Expressions(instrumentation.targetContext).use {
            assertArrayEquals(expected, it.run(buffer), tolerance)
            assertArrayEquals(expected, it.probabilities(face), tolerance)
        }
    }

    private fun golden(name: String) = instrumentation.context.assets.open("golden/$$name").use { it.readBytes() }
}
