"""FSD50K: 200 kinds of sound."""
