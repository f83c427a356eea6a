"""ECG: four rhythms of the PhysioNet challenge 2017."""
