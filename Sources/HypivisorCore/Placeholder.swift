enum PlaceholderHypivisorCore {}
