"""config.yaml: read once, validated whole."""
