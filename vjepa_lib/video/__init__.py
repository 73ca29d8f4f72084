"""The one door to video: decoding, frame sampling, augmentation, sets of clips, manifests."""

import lazy_loader

# Loaded on first use: the processes that decode need no torch.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "augment": [
            "MEAN",
            "STD",
            "Augmentation",
            "augment",
            "crop_resize",
            "denormalise",
            "normalise",
            "random_boxes",
            "resize_center_crop",
        ],
        "clip_reader": ["ClipSpec", "read_clip"],
        "clips": ["ClipSet", "Skipped", "load_clips"],
        "decode": [
            "BACKENDS",
            "IMAGE_SUFFIXES",
            "VIDEO_SUFFIXES",
            "TruncatedError",
            "VideoInfo",
            "check_video",
            "default_backend",
            "is_image",
            "probe_video",
            "read_frames",
        ],
        "encode": ["write_video"],
        "manifests": ["Manifest", "read_manifest", "write_manifest"],
        "streaming": ["ClipDataset"],
        "sampling": ["even_indices", "span_in_frames", "stride_for", "window_indices"],
    },
)
