"""What a device is given, in the formats that devices read: one module a format, names and bytes in, no I/O."""
