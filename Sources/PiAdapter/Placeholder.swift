enum PlaceholderPiAdapter {}
