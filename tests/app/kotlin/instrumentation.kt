package androidx.test.platform.app

import android.content.Context

/** Stands in for Android's: the contexts of the tests and of the app, which the property `module` leads to. */
class Instrumentation(module: String) {
    val context = Context("$module/src/test/resources")
    val targetContext = Context("$module/src/main/assets")
}

object InstrumentationRegistry {
    fun getInstrumentation() = Instrumentation(System.getProperty("module"))
}
