import CoreGraphics
import Foundation
import onnxruntime_objc

final class Expressions {
    private let labels: [String]
    private let environment: ORTEnv
    private let session: ORTSession

    init() throws {
        let folder = Bundle.main.resourceURL!
        labels = try String(contentsOf: folder.appendingPathComponent("labels.txt"), encoding: .utf8)
            .split(separator: "\n").map(String.init)
        environment = try ORTEnv(loggingLevel: .warning)
        session = try ORTSession(
            env: environment, modelPath: folder.appendingPathComponent("$model").path, sessionOptions: nil)
    }

    /// An image of the face box -> label and probability.
    func classify(_ face: CGImage) throws -> (label: String, probability: Float) {
        let pixels = Preprocessing.pixels(of: face)
        let input = Preprocessing.toInput(pixels, width: face.width, height: face.height)
        let tensor = try ORTValue(
            tensorData: NSMutableData(bytes: input, length: 4 * input.count), elementType: .float,
            shape: [$input_shape])
        let outputs = try session.run(
            withInputs: ["$input_name": tensor], outputNames: ["$output_name"], runOptions: nil)
        let data = try outputs["$output_name"]!.tensorData() as Data
        let probabilities = data.withUnsafeBytes { Array($$0.bindMemory(to: Float.self)) }
        let best = probabilities.indices.max { probabilities[$$0] < probabilities[$$1] }!
        return (labels[best], probabilities[best])
    }
}
