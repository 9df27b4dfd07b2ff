package android.graphics

import java.awt.image.BufferedImage
import java.io.ByteArrayInputStream
import javax.imageio.ImageIO

/** Stands in for Android's. */
class Bitmap(private val image: BufferedImage) {
    val width: Int get() = image.width
    val height: Int get() = image.height

    fun getPixels(pixels: IntArray, offset: Int, stride: Int, x: Int, y: Int, width: Int, height: Int) {
        image.getRGB(x, y, width, height, pixels, offset, stride)
    }
}

object BitmapFactory {
    fun decodeByteArray(bytes: ByteArray, offset: Int, length: Int): Bitmap =
        Bitmap(ImageIO.read(ByteArrayInputStream(bytes, offset, length)))
}
