"""Pictures and waveforms made by formula, shared by simulators and source proxies."""
