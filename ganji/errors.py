"""The errors that users are meant to read. Knows nothing else of the project.

Each carries one plain sentence (what failed, the value seen, what to do) and a short `code` for programs. Any other
exception that leaves the core is a bug.
"""


class GanjiError(Exception):
    """Base of every error that is shown to a user as it is.

    Attributes:
        code: a stable, lower-case word for programs (`photo.no_face`); sentences may change, codes do not.
    """

    code = "error"


class ManifestError(GanjiError):
    """The weights manifest is malformed, or names something it does not list."""

    code = "manifest"


class WeightsError(GanjiError):
    """A weight file cannot be had or cannot be used."""

    code = "weights"


class DownloadError(WeightsError):
    """The Hub did not give the file."""

    code = "weights.download"


class ChecksumError(WeightsError):
    """The file's bytes are not the ones the manifest names."""

    code = "weights.checksum"


class CheckpointError(WeightsError):
    """The file is no checkpoint of this architecture; the first differing tensors are named."""

    code = "weights.checkpoint"


class DirectionsError(WeightsError):
    """The directions do not belong to this generator."""

    code = "weights.directions"


class PhotoError(GanjiError):
    """The photo cannot be used, and its owner can mend that."""

    code = "photo"


class UnreadableImageError(PhotoError):
    """The bytes are no picture we read."""

    code = "photo.unreadable"


class NoFaceError(PhotoError):
    """No face was found."""

    code = "photo.no_face"


class FaceTooSmallError(PhotoError):
    """The face has too few pixels."""

    code = "photo.face_too_small"


class InputError(GanjiError):
    """A value from outside is of the wrong type, not finite, or out of range."""

    code = "input"


class BlendError(InputError):
    """Two generators cannot be blended."""

    code = "input.blend"


class ProjectionError(GanjiError):
    """The optimisation became non-finite."""

    code = "projection"


class BusyError(GanjiError):
    """Too much is asked at once; the sentence says when to try again.

    Attributes:
        retry_after: seconds.
    """

    code = "busy"

    def __init__(self, message: str, retry_after: float = 10.0):
        super().__init__(message)
        self.retry_after = retry_after


class TrainingError(GanjiError):
    """Training cannot go on; the last good checkpoint stays."""

    code = "training"
