import android.content.Context
import android.graphics.Bitmap
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.tensorflow.lite.InterpreterApi

/** Tells the expression of a face. Not for several threads at once. */
class Expressions(context: Context) : AutoCloseable {
    val labels = context.assets.open("expressions/labels.txt").bufferedReader().use { it.readLines() }
    private val interpreter = context.assets.open("expressions/$model").use { it.readBytes() }.let { bytes ->
        val model = ByteBuffer.allocateDirect(bytes.size).order(ByteOrder.nativeOrder()).put(bytes)
        InterpreterApi.create(model, InterpreterApi.Options())
    }

    /** A bitmap of the face box (Config.HARDWARE has no pixels to read) -> label and probability. */
    fun classify(face: Bitmap): Pair<String, Float> {
        val probabilities = probabilities(face)
        val best = probabilities.indices.maxByOrNull { probabilities[it] }!!
        return labels[best] to probabilities[best]
    }

    /** The same, of each label. */
    fun probabilities(face: Bitmap): FloatArray {
        val pixels = IntArray(face.width * face.height)
        face.getPixels(pixels, 0, face.width, 0, 0, face.width, face.height)
        return run(Preprocessing.toInput(pixels, face.width, face.height))
    }

    /** The model alone: its input -> probabilities in the order of the labels. */
    fun run(input: ByteBuffer): FloatArray {
        val output = arrayOf($kotlin_array($classes))
        interpreter.run(input, output)
        return output[0].map { $kotlin_read }.toFloatArray()
    }

    override fun close() = interpreter.close()
}
