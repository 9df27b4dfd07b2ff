import CoreGraphics
import CoreML
import Foundation

/// Tells the expression of a face.
final class Expressions {
    let labels: [String]
    private let model: MLModel

    /// `folder` holds the model, as Xcode compiles it, and the labels; by default it is the app's own.
    init(folder: URL = Bundle.main.resourceURL!) throws {
        labels = try String(contentsOf: folder.appendingPathComponent("labels.txt"), encoding: .utf8)
            .split(separator: "\n").map(String.init)
        model = try MLModel(contentsOf: folder.appendingPathComponent("model.mlmodelc"))
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
        let tensor = try MLMultiArray(shape: [$input_shape], dataType: .float32)
        for (i, value) in input.enumerated() { tensor[i] = NSNumber(value: value) }
        let given = try MLDictionaryFeatureProvider(dictionary: ["$input_name": MLFeatureValue(multiArray: tensor)])
        let output = try model.prediction(from: given).featureValue(for: "$output_name")!.multiArrayValue!
        return (0..<output.count).map { output[$$0].floatValue }
    }
}
