"""PSICOV: distances between the residues of a protein."""
