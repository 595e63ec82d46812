extension FixedWidthInteger {
    /// The whole part of a number from outside, at this type's bounds if it lies beyond them; 0 for NaN.
    ///
    /// `Int(_:)` traps for such numbers, and every number that a peer, a model or a person chose can be one.
    public init(clamping number: Double) {
        if let exact = Self(exactly: number.rounded(.towardZero)) {
            self = exact
        } else {
            self = number.isNaN ? 0 : number < 0 ? .min : .max
        }
    }

    /// The sum, at this type's bounds if it lies beyond them.
    public func addingClamped(_ other: Self) -> Self {
        let (sum, isOver) = addingReportingOverflow(other)
        return isOver ? (other < 0 ? .min : .max) : sum
    }

    /// The difference, at this type's bounds if it lies beyond them.
    public func subtractingClamped(_ other: Self) -> Self {
        let (difference, isOver) = subtractingReportingOverflow(other)
        return isOver ? (other < 0 ? .max : .min) : difference
    }
}
