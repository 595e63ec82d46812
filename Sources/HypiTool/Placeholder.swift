enum PlaceholderHypiTool {}
