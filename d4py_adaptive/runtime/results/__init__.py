"""What a run's unconnected outputs gave, in files that lose nothing, and back."""
