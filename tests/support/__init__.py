"""What several tests share: small albums, libraries, towers, and readers of what the program writes."""
