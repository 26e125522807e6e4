"""The Keras layers of the networks."""

from keras_patchdpm.layers.global_content_conditioning import GlobalContentConditioning
from keras_patchdpm.layers.group_normalization_2d import GroupNormalization2D
from keras_patchdpm.layers.label_embedding import LabelEmbedding
from keras_patchdpm.layers.linear_attention import LinearAttention
from keras_patchdpm.layers.pixel_position_embedding import PixelPositionEmbedding
from keras_patchdpm.layers.position_one_hot_embedding import PositionOneHotEmbedding
from keras_patchdpm.layers.self_attention_2d import SelfAttention2D
from keras_patchdpm.layers.space_to_depth import DepthToSpace, SpaceToDepth
from keras_patchdpm.layers.timestep_embedding import TimestepEmbedding
from keras_patchdpm.layers.upsampling_convolution_2d import UpsamplingConvolution2D

__all__ = [
    "DepthToSpace",
    "GlobalContentConditioning",
    "GroupNormalization2D",
    "LabelEmbedding",
    "LinearAttention",
    "PixelPositionEmbedding",
    "PositionOneHotEmbedding",
    "SelfAttention2D",
    "SpaceToDepth",
    "TimestepEmbedding",
    "UpsamplingConvolution2D",
]
