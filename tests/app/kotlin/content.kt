package android.content

import java.io.File
import java.io.InputStream

/** Stands in for Android's: files of a folder. */
class Assets(private val folder: File) {
    fun open(name: String): InputStream = File(folder, name).inputStream()
}

class Context(folder: String) {
    val assets = Assets(File(folder))
}
