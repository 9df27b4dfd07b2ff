import java.io.File
import java.nio.ByteBuffer

/** Shows each made picture of a folder to its contract's code: `cases` has the contract, width and height of N.bin. */
fun prepare(folder: String, contracts: List<(IntArray, Int, Int) -> ByteBuffer>) {
    File(folder, "cases").readLines().forEachIndexed { number, line ->
        val (contract, width, height) = line.split(" ").map { it.toInt() }
        val bytes = File(folder, "$number.bin").readBytes()
        val face = IntArray(width * height) { i ->
            (0..2).fold(i) { pixel, channel -> (pixel shl 8) or (bytes[3 * i + channel].toInt() and 0xFF) } // any alpha
        }
        val input = contracts[contract](face, width, height)
        File(folder, "$number.input").writeBytes(ByteArray(input.remaining()).also { input.get(it) })
    }
}

/** Runs the functions that are marked as tests. */
fun runTests(vararg tests: Any) {
    for (test in tests) {
        val marked = test.javaClass.methods.filter { it.isAnnotationPresent(org.junit.Test::class.java) }
        check(marked.isNotEmpty())
        marked.forEach { it.invoke(test) }
    }
}
