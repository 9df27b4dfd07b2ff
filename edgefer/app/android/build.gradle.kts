// A module of an Android project, which sets the version of the plugin. Android Gradle plugin 9 brings Kotlin; with 8 add
// id("org.jetbrains.kotlin.android") here.
plugins {
    id("com.android.library")
}

android {
    namespace = "$package"
    compileSdk = 36
    defaultConfig {
        minSdk = 24
        testInstrumentationRunner = "androidx.test.runner.AndroidJUnitRunner"
    }
    sourceSets.getByName("androidTest").assets.srcDir("src/test/resources")
}

dependencies {
    implementation("com.google.ai.edge.litert:litert:$litert")
    testImplementation("junit:junit:4.13.2")
    androidTestImplementation("androidx.test:runner:1.6.2")
}
