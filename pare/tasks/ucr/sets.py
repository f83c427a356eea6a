"""The 128 data sets of the UCR archive of 2018 (Dau et al. 2019, arXiv 1810.07758), from its own summary."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from pare.data.task import Download
from pare.errors import RequestError

HOMEPAGE = "https://www.timeseriesclassification.com"
PREFIX = "ucr-"
ALL = "all"


@dataclass(frozen=True)
class SeriesSet:
    """A data set of the archive: its title there, kind, official counts, length, and 1-NN's published error."""

    title: str
    kind: str
    train: int
    test: int
    classes: int
    length: int
    """Of every series or, where lengths differ, of the longest."""
    error: float
    """Test error [%] of the nearest neighbour by Euclidean distance."""

    @property
    def name(self) -> str:
        """Name of the task."""
        return f"{PREFIX}{self.title.lower()}"

    @property
    def files(self) -> tuple[str, str]:
        """The archive's files: a series a line, its class first, tabs between."""
        return f"{self.title}_TRAIN.tsv", f"{self.title}_TEST.tsv"

    @property
    def varies(self) -> bool:
        """Whether lengths differ."""
        return self.title in _VARYING

    @property
    def download(self) -> Download:
        """Public address of the set's zip, which holds the files in the form .ts; it comes without a checksum."""
        return Download(f"{HOMEPAGE}/aeon-toolkit/{self.title}.zip")


_VARYING = (
    *(f"AllGestureWiimote{axis}" for axis in "XYZ"),
    *(f"GestureMidAirD{axis}" for axis in "123"),
    *(f"GesturePebbleZ{axis}" for axis in "12"),
    "PickupGestureWiimoteZ",
    "PLAID",
    "ShakeGestureWiimoteZ",
)
_TITLES = """
ACSF1 Device 100 100 10 1460 46.00
Adiac Image 390 391 37 176 38.87
AllGestureWiimoteX Sensor 300 700 10 500 48.43
AllGestureWiimoteY Sensor 300 700 10 500 43.14
AllGestureWiimoteZ Sensor 300 700 10 500 54.57
ArrowHead Image 36 175 3 251 20.00
Beef Spectro 30 30 5 470 33.33
BeetleFly Image 20 20 2 512 25.00
BirdChicken Image 20 20 2 512 45.00
BME Simulated 30 150 3 128 16.67
Car Sensor 60 60 4 577 26.67
CBF Simulated 30 900 3 128 14.78
Chinatown Traffic 20 343 2 24 4.66
ChlorineConcentration Sensor 467 3840 3 166 35.00
CinCECGTorso Sensor 40 1380 4 1639 10.29
Coffee Spectro 28 28 2 286 0.00
Computers Device 250 250 2 720 42.40
CricketX Motion 390 390 12 300 42.31
CricketY Motion 390 390 12 300 43.33
CricketZ Motion 390 390 12 300 41.28
Crop Image 7200 16800 24 46 28.83
DiatomSizeReduction Image 16 306 4 345 6.54
DistalPhalanxOutlineAgeGroup Image 400 139 3 80 37.41
DistalPhalanxOutlineCorrect Image 600 276 2 80 28.26
DistalPhalanxTW Image 400 139 6 80 36.69
DodgerLoopDay Sensor 78 80 7 288 45.00
DodgerLoopGame Sensor 20 138 2 288 11.59
DodgerLoopWeekend Sensor 20 138 2 288 1.45
Earthquakes Sensor 322 139 2 512 28.78
ECG200 ECG 100 100 2 96 12.00
ECG5000 ECG 500 4500 5 140 7.51
ECGFiveDays ECG 23 861 2 136 20.33
ElectricDevices Device 8926 7711 7 96 44.92
EOGHorizontalSignal EOG 362 362 12 1250 58.29
EOGVerticalSignal EOG 362 362 12 1250 55.80
EthanolLevel Spectro 504 500 4 1751 72.60
FaceAll Image 560 1690 14 131 28.64
FaceFour Image 24 88 4 350 21.59
FacesUCR Image 200 2050 14 131 23.07
FiftyWords Image 450 455 50 270 36.92
Fish Image 175 175 7 463 21.71
FordA Sensor 3601 1320 2 500 33.48
FordB Sensor 3636 810 2 500 39.38
FreezerRegularTrain Sensor 150 2850 2 301 19.51
FreezerSmallTrain Sensor 28 2850 2 301 32.42
Fungi HRM 18 186 18 201 17.74
GestureMidAirD1 Trajectory 208 130 26 360 42.31
GestureMidAirD2 Trajectory 208 130 26 360 50.77
GestureMidAirD3 Trajectory 208 130 26 360 65.38
GesturePebbleZ1 Sensor 132 172 6 455 26.74
GesturePebbleZ2 Sensor 146 158 6 455 32.91
GunPoint Motion 50 150 2 150 8.67
GunPointAgeSpan Motion 135 316 2 150 10.13
GunPointMaleVersusFemale Motion 135 316 2 150 2.53
GunPointOldVersusYoung Motion 136 315 2 150 4.76
Ham Spectro 109 105 2 431 40.00
HandOutlines Image 1000 370 2 2709 13.78
Haptics Motion 155 308 5 1092 62.99
Herring Image 64 64 2 512 48.44
HouseTwenty Device 40 119 2 2000 33.61
InlineSkate Motion 100 550 7 1882 65.82
InsectEPGRegularTrain EPG 62 249 3 601 32.13
InsectEPGSmallTrain EPG 17 249 3 601 33.73
InsectWingbeatSound Sensor 220 1980 11 256 43.84
ItalyPowerDemand Sensor 67 1029 2 24 4.47
LargeKitchenAppliances Device 375 375 3 720 50.67
Lightning2 Sensor 60 61 2 637 24.59
Lightning7 Sensor 70 73 7 319 42.47
Mallat Simulated 55 2345 8 1024 8.57
Meat Spectro 60 60 3 448 6.67
MedicalImages Image 381 760 10 99 31.58
MelbournePedestrian Traffic 1194 2439 10 24 15.25
MiddlePhalanxOutlineAgeGroup Image 400 154 3 80 48.05
MiddlePhalanxOutlineCorrect Image 600 291 2 80 23.37
MiddlePhalanxTW Image 399 154 6 80 48.70
MixedShapesRegularTrain Image 500 2425 5 1024 10.27
MixedShapesSmallTrain Image 100 2425 5 1024 16.45
MoteStrain Sensor 20 1252 2 84 12.14
NonInvasiveFetalECGThorax1 ECG 1800 1965 42 750 17.10
NonInvasiveFetalECGThorax2 ECG 1800 1965 42 750 12.01
OliveOil Spectro 30 30 4 570 13.33
OSULeaf Image 200 242 6 427 47.93
PhalangesOutlinesCorrect Image 1800 858 2 80 23.89
Phoneme Sensor 214 1896 39 1024 89.08
PickupGestureWiimoteZ Sensor 50 50 10 361 44.00
PigAirwayPressure Hemodynamics 104 208 52 2000 94.23
PigArtPressure Hemodynamics 104 208 52 2000 87.50
PigCVP Hemodynamics 104 208 52 2000 91.83
PLAID Device 537 537 11 1344 47.67
Plane Sensor 105 105 7 144 3.81
PowerCons Power 180 180 2 144 6.67
ProximalPhalanxOutlineAgeGroup Image 400 205 3 80 21.46
ProximalPhalanxOutlineCorrect Image 600 291 2 80 19.24
ProximalPhalanxTW Image 400 205 6 80 29.27
RefrigerationDevices Device 375 375 3 720 60.53
Rock Spectrum 20 50 4 2844 16.00
ScreenType Device 375 375 3 720 64.00
SemgHandGenderCh2 Spectrum 300 600 2 1500 23.83
SemgHandMovementCh2 Spectrum 450 450 6 1500 63.11
SemgHandSubjectCh2 Spectrum 450 450 5 1500 59.56
ShakeGestureWiimoteZ Sensor 50 50 10 385 40.00
ShapeletSim Simulated 20 180 2 500 46.11
ShapesAll Image 600 600 60 512 24.83
SmallKitchenAppliances Device 375 375 3 720 65.87
SmoothSubspace Simulated 150 150 3 15 9.33
SonyAIBORobotSurface1 Sensor 20 601 2 70 30.45
SonyAIBORobotSurface2 Sensor 27 953 2 65 14.06
StarLightCurves Sensor 1000 8236 3 1024 15.12
Strawberry Spectro 613 370 2 235 5.41
SwedishLeaf Image 500 625 15 128 21.12
Symbols Image 25 995 6 398 10.05
SyntheticControl Simulated 300 300 6 60 12.00
ToeSegmentation1 Motion 40 228 2 277 32.02
ToeSegmentation2 Motion 36 130 2 343 19.23
Trace Sensor 100 100 4 275 24.00
TwoLeadECG ECG 23 1139 2 82 25.29
TwoPatterns Simulated 1000 4000 4 128 9.32
UMD Simulated 36 144 3 150 23.61
UWaveGestureLibraryAll Motion 896 3582 8 945 5.19
UWaveGestureLibraryX Motion 896 3582 8 315 26.07
UWaveGestureLibraryY Motion 896 3582 8 315 33.84
UWaveGestureLibraryZ Motion 896 3582 8 315 35.04
Wafer Sensor 1000 6164 2 152 0.45
Wine Spectro 57 54 2 234 38.89
WordSynonyms Image 267 638 25 270 38.24
Worms Motion 181 77 5 900 54.55
WormsTwoClass Motion 181 77 2 900 38.96
Yoga Image 300 3000 2 426 16.97
"""
"""Title, kind, training and test series, classes, length, test error of 1-NN [%]."""


def _read(line: str) -> SeriesSet:
    title, kind, train, test, classes, length, error = line.split()
    return SeriesSet(title, kind, int(train), int(test), int(classes), int(length), float(error))


SETS: Mapping[str, SeriesSet] = {each.name: each for each in map(_read, _TITLES.strip().splitlines())}
"""All sets by task name."""


def named(name: str) -> SeriesSet:
    """Return the set of a task's name, or of the archive's title, in any case.

    Raises:
        RequestError: there is none.
    """
    key = PREFIX + name.lower().removeprefix(PREFIX)
    if key not in SETS:
        near = difflib.get_close_matches(key, SETS, n=3) or ["ucr-ecg5000", "ucr-crop"]
        raise RequestError(f"the UCR archive has no {name!r}: its 128 sets are called {', '.join(near)} and so on")
    return SETS[key]
