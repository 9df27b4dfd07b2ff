import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import android.content.Context
import android.graphics.Bitmap

class Expressions(context: Context) {
    private val labels = context.assets.open("labels.txt").bufferedReader().use { it.readLines() }
    private val environment = OrtEnvironment.getEnvironment()
    private val session = environment.createSession(context.assets.open("$model").use { it.readBytes() })

    /** A bitmap of the face box (Config.HARDWARE has no pixels to read) -> label and probability. */
    fun classify(face: Bitmap): Pair<String, Float> {
        val pixels = IntArray(face.width * face.height)
        face.getPixels(pixels, 0, face.width, 0, 0, face.width, face.height)
        val input = Preprocessing.toInput(pixels, face.width, face.height).asFloatBuffer()
        val probabilities = FloatArray($classes)
        OnnxTensor.createTensor(environment, input, longArrayOf($input_shape)).use { tensor ->
            session.run(mapOf("$input_name" to tensor)).use { (it[0] as OnnxTensor).floatBuffer.get(probabilities) }
        }
        val best = probabilities.indices.maxByOrNull { probabilities[it] }!!
        return labels[best] to probabilities[best]
    }
}
