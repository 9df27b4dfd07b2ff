import CoreGraphics
import Foundation
import TensorFlowLite

/// Tells the expression of a face. Not for several threads at once.
final class Expressions {
    let labels: [String]
    private let interpreter: Interpreter

    /// `folder` holds the model and the labels; by default it is the app's own.
    init(folder: URL = Bundle.main.resourceURL!) throws {
        labels = try String(contentsOf: folder.appendingPathComponent("labels.txt"), encoding: .utf8)
            .split(separator: "\n").map(String.init)
        interpreter = try Interpreter(modelPath: folder.appendingPathComponent("$model").path)
        try interpreter.allocateTensors()
    }

    /// An image of the face box -> label and probability.
    func classify(_ face: CGImage) throws -> (label: String, probability: Float) {
        let probabilities = try probabilities(face)
        let best = probabilities.indices.max { probabilities[$$0] < probabilities[$$1] }!
        return (labels[best], probabilities[best])
    }

    /// The same, of each label.
    func probabilities(_ face: CGImage) throws -> [Float] {
        let pixels = Preprocessing.pixels(of: face)
        return try run(Preprocessing.toInput(pixels, width: face.width, height: face.height))
    }

    /// The model alone: its input -> probabilities in the order of the labels.
    func run(_ input: [Float]) throws -> [Float] {
        try interpreter.copy(input.withUnsafeBufferPointer { Data(buffer: $$0) }, toInputAt: 0)
        try interpreter.invoke()
        return try interpreter.output(at: 0).data.withUnsafeBytes { Array($$0.bindMemory(to: Float.self)) }
    }
}
