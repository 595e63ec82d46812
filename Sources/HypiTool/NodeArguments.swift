public import ArgumentParser
public import HypiWire

/// Activities are typed as they stand on the wire.
extension Node.Activity: ExpressibleByArgument {}

/// States of registration are typed as they stand on the wire.
extension Node.Status: ExpressibleByArgument {}
