enum PlaceholderPiSocketCore {}
