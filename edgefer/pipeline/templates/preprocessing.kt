import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.abs

/**
 * From a face to the model's input, byte for byte as edgefer prepares it: Pillow's bilinear resizing, which antialiases,
 * then the centre. A face is pixels 0xAARRGGBB row by row, as Bitmap.getPixels gives them; alpha is left out.
 */
object Preprocessing {
    private const val RESIZE = $resize
    private const val CROP = $crop
    private const val BITS = 22 // of a weight's fraction

    /** The pixels of the source from `first` on that one pixel of the result is made of, and their weights. */
    private class Window(val first: Int, val weights: IntArray)

    fun toInput(face: IntArray, width: Int, height: Int): ByteBuffer {
        val pixels = toPixels(face, width, height)
        val input = ByteBuffer.allocateDirect($input_bytes).order(ByteOrder.nativeOrder())
        $kotlin_loop {
            val value = (pixel shr shift) and 0xFF
            $kotlin_store
        }
        input.rewind()
        return input
    }

    /** What the model sees: $crop x $crop pixels. */
    fun toPixels(face: IntArray, width: Int, height: Int): IntArray {
        require(width > 0 && height > 0 && face.size == width * height) { "a face of $$width x $$height pixels" }
        val resized = resize(face, width, height)
        return IntArray(CROP * CROP) { resized[(it / CROP + $offset) * RESIZE + it % CROP + $offset] }
    }

    /** Rows, then columns; Pillow 13 takes the columns first where the height shrinks by much more than the width. */
    private fun resize(face: IntArray, width: Int, height: Int): IntArray {
        if (height > RESIZE && height - RESIZE > 2 * (width - RESIZE)) {
            return resizeRows(resizeColumns(face, width, height), width, RESIZE)
        }
        return resizeColumns(resizeRows(face, width, height), RESIZE, height)
    }

    private fun resizeRows(from: IntArray, width: Int, height: Int): IntArray {
        val to = IntArray(RESIZE * height)
        val windows = windows(width)
        for (y in 0 until height) {
            for (x in 0 until RESIZE) to[y * RESIZE + x] = sum(from, y * width, 1, windows[x])
        }
        return to
    }

    private fun resizeColumns(from: IntArray, width: Int, height: Int): IntArray {
        val to = IntArray(width * RESIZE)
        val windows = windows(height)
        for (y in 0 until RESIZE) {
            for (x in 0 until width) to[y * width + x] = sum(from, x, width, windows[y])
        }
        return to
    }

    /** A triangle of weights around the place in the source of each pixel of the result. */
    private fun windows(size: Int): List<Window> {
        val scale = size.toDouble() / RESIZE
        val reach = maxOf(scale, 1.0)
        return List(RESIZE) { place ->
            val centre = (place + 0.5) * scale
            val first = maxOf((centre - reach + 0.5).toInt(), 0)
            val last = minOf((centre + reach + 0.5).toInt(), size)
            val triangle = List(last - first) { maxOf(1 - abs((first + it - centre + 0.5) * (1 / reach)), 0.0) }
            val total = triangle.sum()
            Window(first, IntArray(last - first) { (0.5 + triangle[it] / total * (1 shl BITS)).toInt() })
        }
    }

    /** One pixel: the weighted sum of those from `start` on, `step` apart, in whole numbers. */
    private fun sum(from: IntArray, start: Int, step: Int, window: Window): Int {
        var red = 1 shl (BITS - 1) // a half: the shift below rounds
        var green = red
        var blue = red
        for (k in window.weights.indices) {
            val pixel = from[start + (window.first + k) * step]
            val weight = window.weights[k]
            red += ((pixel shr 16) and 0xFF) * weight
            green += ((pixel shr 8) and 0xFF) * weight
            blue += (pixel and 0xFF) * weight
        }
        return (byte(red) shl 16) or (byte(green) shl 8) or byte(blue)
    }

    private fun byte(sum: Int): Int = (sum shr BITS).coerceIn(0, 255)
}
