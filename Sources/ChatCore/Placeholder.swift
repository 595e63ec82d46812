enum PlaceholderChatCore {}
