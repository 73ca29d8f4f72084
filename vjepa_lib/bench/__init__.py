"""Speed, as ratios: what the package does fast against its plain form (`make bench`)."""
