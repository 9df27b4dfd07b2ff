import CoreGraphics
import Foundation
import XCTest

/// On this machine or phone: the golden pictures must become the golden inputs, byte for byte, and the model must answer
/// both as it did for edgefer.
final class GoldenTests: XCTestCase {
    private let folder = Bundle(for: GoldenTests.self).resourceURL!

$answers

    private func check(_ name: String, _ width: Int, _ height: Int, _ expected: [Float], _ tolerance: Float) throws {
        let bytes = [UInt8](try golden("\(name).rgb"))
        let face = (0..<width * height).map { (i: Int) -> UInt32 in
            var pixel: UInt32 = 0
            for byte in bytes[3 * i..<3 * i + 3] { pixel = (pixel << 8) | UInt32(byte) }
            return pixel
        }
        let input = try golden("\(name).input").withUnsafeBytes { Array($$0.bindMemory(to: Float.self)) }
        XCTAssertEqual(Preprocessing.toInput(face, width: width, height: height), input)
        let expressions = try Expressions(folder: folder)
        compare(try expressions.run(input), expected, tolerance)
        compare(try expressions.probabilities(image(bytes, width, height)), expected, tolerance)
    }

    private func compare(_ actual: [Float], _ expected: [Float], _ tolerance: Float) {
        XCTAssertEqual(actual.count, expected.count)
        for (one, other) in zip(actual, expected) { XCTAssertEqual(one, other, accuracy: tolerance) }
    }

    private func image(_ bytes: [UInt8], _ width: Int, _ height: Int) -> CGImage {
        CGImage(
            width: width, height: height, bitsPerComponent: 8, bitsPerPixel: 24, bytesPerRow: 3 * width,
            space: CGColorSpace(name: CGColorSpace.sRGB)!, bitmapInfo: [],
            provider: CGDataProvider(data: Data(bytes) as CFData)!, decode: nil, shouldInterpolate: false,
            intent: .defaultIntent)!
    }

    private func golden(_ name: String) throws -> Data {
        try Data(contentsOf: folder.appendingPathComponent("golden-\(name)"))
    }
}
