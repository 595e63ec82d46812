enum PlaceholderPiDemoCore {}
