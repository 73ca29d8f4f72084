"""The one door to video: decoding, frame sampling, augmentation and sets of clips."""

from vjepa_lib.augment import (
    MEAN,
    STD,
    Augmentation,
    augment,
    crop_resize,
    denormalise,
    normalise,
    random_boxes,
    resize_center_crop,
)
from vjepa_lib.clip_reader import ClipSpec, read_clip
from vjepa_lib.clips import (
    ClipDataset,
    ClipSet,
    MixedSampler,
    Skipped,
    collate,
    load_clips,
)
from vjepa_lib.decode import (
    BACKENDS,
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    VideoInfo,
    check_video,
    default_backend,
    is_image,
    probe_video,
    read_frames,
    write_video,
)
from vjepa_lib.sampling import even_indices, span_in_frames, stride_for, window_indices

__all__ = [
    "BACKENDS",
    "IMAGE_SUFFIXES",
    "MEAN",
    "STD",
    "VIDEO_SUFFIXES",
    "Augmentation",
    "ClipDataset",
    "ClipSet",
    "ClipSpec",
    "MixedSampler",
    "Skipped",
    "VideoInfo",
    "augment",
    "check_video",
    "collate",
    "crop_resize",
    "default_backend",
    "denormalise",
    "even_indices",
    "is_image",
    "load_clips",
    "normalise",
    "probe_video",
    "random_boxes",
    "read_clip",
    "read_frames",
    "resize_center_crop",
    "span_in_frames",
    "stride_for",
    "window_indices",
    "write_video",
]
