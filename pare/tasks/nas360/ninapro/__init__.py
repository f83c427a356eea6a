"""NinaPro DB5: 18 gestures from sEMG."""
