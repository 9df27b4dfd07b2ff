/// From a face to the model's input, byte for byte as edgefer prepares it: Pillow's bilinear resizing, which antialiases,
/// then the centre. A face is pixels 0xAARRGGBB row by row; alpha is left out.
enum Preprocessing {
    private static let side = $resize
    private static let crop = $crop
    private static let bits = 22  // of a weight's fraction

    /// The pixels of the source from `first` on that one pixel of the result is made of, and their weights.
    private struct Window {
        let first: Int
        let weights: [Int]
    }

    static func toInput(_ face: [UInt32], width: Int, height: Int) -> [Float] {
        let pixels = toPixels(face, width: width, height: height)
        var input: [Float] = []
        input.reserveCapacity(3 * crop * crop)
        $swift_loop {
            input.append(Float((pixel >> shift) & 0xFF))
        } }
        return input
    }

    /// What the model sees: $crop x $crop pixels.
    static func toPixels(_ face: [UInt32], width: Int, height: Int) -> [UInt32] {
        precondition(width > 0 && height > 0 && face.count == width * height, "a face of \(width) x \(height) pixels")
        let resized = resize(face, width, height)
        return (0..<crop * crop).map { (i: Int) -> UInt32 in
            resized[(i / crop + $offset) * side + i % crop + $offset]
        }
    }

    /// Rows, then columns; Pillow 13 takes the columns first where the height shrinks by much more than the width.
    private static func resize(_ face: [UInt32], _ width: Int, _ height: Int) -> [UInt32] {
        if height > side && height - side > 2 * (width - side) {
            return resizeRows(resizeColumns(face, width, height), width, side)
        }
        return resizeColumns(resizeRows(face, width, height), side, height)
    }

    private static func resizeRows(_ from: [UInt32], _ width: Int, _ height: Int) -> [UInt32] {
        var to = [UInt32](repeating: 0, count: side * height)
        let windows = windows(width)
        for y in 0..<height {
            for x in 0..<side { to[y * side + x] = sum(from, y * width, 1, windows[x]) }
        }
        return to
    }

    private static func resizeColumns(_ from: [UInt32], _ width: Int, _ height: Int) -> [UInt32] {
        var to = [UInt32](repeating: 0, count: width * side)
        let windows = windows(height)
        for y in 0..<side {
            for x in 0..<width { to[y * width + x] = sum(from, x, width, windows[y]) }
        }
        return to
    }

    /// A triangle of weights around the place in the source of each pixel of the result.
    private static func windows(_ size: Int) -> [Window] {
        let scale = Double(size) / Double(side)
        let reach = max(scale, 1.0)
        return (0..<side).map { (place: Int) -> Window in
            let centre = (Double(place) + 0.5) * scale
            let first = max(Int(centre - reach + 0.5), 0)
            let last = min(Int(centre + reach + 0.5), size)
            let triangle = (first..<last).map { (k: Int) -> Double in
                max(1 - abs((Double(k) - centre + 0.5) * (1 / reach)), 0.0)
            }
            let total = triangle.reduce(0, +)
            let weights = triangle.map { (weight: Double) -> Int in Int(0.5 + weight / total * Double(1 << bits)) }
            return Window(first: first, weights: weights)
        }
    }

    /// One pixel: the weighted sum of those from `start` on, `step` apart, in whole numbers.
    private static func sum(_ from: [UInt32], _ start: Int, _ step: Int, _ window: Window) -> UInt32 {
        var red = 1 << (bits - 1)  // a half: the shift below rounds
        var green = red
        var blue = red
        for k in window.weights.indices {
            let pixel = Int(from[start + (window.first + k) * step])
            let weight = window.weights[k]
            red += ((pixel >> 16) & 0xFF) * weight
            green += ((pixel >> 8) & 0xFF) * weight
            blue += (pixel & 0xFF) * weight
        }
        return (byte(red) << 16) | (byte(green) << 8) | byte(blue)
    }

    private static func byte(_ sum: Int) -> UInt32 { UInt32(min(max(sum >> bits, 0), 255)) }
}

#if canImport(CoreGraphics)
    import CoreGraphics

    extension Preprocessing {
        /// The pixels of an image at its own size; its colours become those of sRGB.
        static func pixels(of image: CGImage) -> [UInt32] {
            var pixels = [UInt32](repeating: 0, count: image.width * image.height)
            pixels.withUnsafeMutableBytes { memory in
                let canvas = CGContext(
                    data: memory.baseAddress, width: image.width, height: image.height, bitsPerComponent: 8,
                    bytesPerRow: 4 * image.width, space: CGColorSpace(name: CGColorSpace.sRGB)!,
                    bitmapInfo: CGImageAlphaInfo.noneSkipFirst.rawValue | CGBitmapInfo.byteOrder32Little.rawValue)!
                canvas.draw(image, in: CGRect(x: 0, y: 0, width: image.width, height: image.height))
            }
            return pixels
        }
    }
#endif
