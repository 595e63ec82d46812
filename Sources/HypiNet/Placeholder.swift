enum PlaceholderHypiNet {}
