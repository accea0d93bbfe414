from .configs.architectures.bart import BartDecoderOnnxConfig as BartDecoderOnnxConfig
from .configs.architectures.bart import BartOnnxConfig as BartOnnxConfig
from .configs.architectures.bart import BartReaderOnnxConfig as BartReaderOnnxConfig
from .configs.architectures.bert import BertOnnxConfig as BertOnnxConfig
from .configs.architectures.bert import DistilBertOnnxConfig as DistilBertOnnxConfig
from .configs.architectures.clip import CLIPOnnxConfig as CLIPOnnxConfig
from .configs.architectures.gpt2 import GPT2OnnxConfig as GPT2OnnxConfig
from .configs.architectures.llama import LlamaOnnxConfig as LlamaOnnxConfig
from .configs.architectures.t5 import T5OnnxConfig as T5OnnxConfig
from .configs.architectures.vit import ViTOnnxConfig as ViTOnnxConfig
from .configs.architectures.whisper import WhisperEncoderOnnxConfig as WhisperEncoderOnnxConfig
from .configs.architectures.whisper import WhisperOnnxConfig as WhisperOnnxConfig
from .configs.axis_space import AxisRange as AxisRange
from .configs.base import OnnxConfig as OnnxConfig
from .configs.base import OnnxConfigWithPast as OnnxConfigWithPast
from .configs.cache_layout import CacheEntry as CacheEntry
from .configs.calls import PartCall as PartCall
from .configs.dummy_inputs import DummyAudioInputGenerator as DummyAudioInputGenerator
from .configs.dummy_inputs import DummyBboxInputGenerator as DummyBboxInputGenerator
from .configs.dummy_inputs import DummyInputGenerator as DummyInputGenerator
from .configs.dummy_inputs import DummyPastKeyValuesGenerator as DummyPastKeyValuesGenerator
from .configs.dummy_inputs import (
    DummySeq2SeqPastKeyValuesGenerator as DummySeq2SeqPastKeyValuesGenerator,
)
from .configs.dummy_inputs import DummySeriesInputGenerator as DummySeriesInputGenerator
from .configs.dummy_inputs import DummyVisionInputGenerator as DummyVisionInputGenerator
from .configs.feed_generators import FeedGenerator as FeedGenerator
from .configs.feed_generators import FeedRequest as FeedRequest
from .configs.middle_end import AudioOnnxConfig as AudioOnnxConfig
from .configs.middle_end import AudioToTextOnnxConfig as AudioToTextOnnxConfig
from .configs.middle_end import EncoderDecoderOnnxConfig as EncoderDecoderOnnxConfig
from .configs.middle_end import SeriesOnnxConfig as SeriesOnnxConfig
from .configs.middle_end import TextAndVisionOnnxConfig as TextAndVisionOnnxConfig
from .configs.middle_end import TextDecoderOnnxConfig as TextDecoderOnnxConfig
from .configs.middle_end import (
    TextDecoderWithPositionIdsOnnxConfig as TextDecoderWithPositionIdsOnnxConfig,
)
from .configs.middle_end import TextEncoderOnnxConfig as TextEncoderOnnxConfig
from .configs.middle_end import TextSeq2SeqOnnxConfig as TextSeq2SeqOnnxConfig
from .configs.middle_end import VisionOnnxConfig as VisionOnnxConfig
from .configs.normalized_config import NormalizedConfig as NormalizedConfig
from .configs.normalized_config import NormalizedSeq2SeqConfig as NormalizedSeq2SeqConfig
from .configs.normalized_config import (
    NormalizedTextAndVisionConfig as NormalizedTextAndVisionConfig,
)
from .configs.normalized_config import NormalizedTextConfig as NormalizedTextConfig
from .configs.normalized_config import NormalizedVisionConfig as NormalizedVisionConfig
from .configs.normalized_pair import (
    NormalizedEncoderDecoderConfig as NormalizedEncoderDecoderConfig,
)
from .configs.plugins import register_fixtures as register_fixtures
from .configs.recurrent import TextRecurrentDecoderOnnxConfig as TextRecurrentDecoderOnnxConfig
from .configs.rows import Row as Row
from .configs.rows import register_rows as register_rows
from .configs.seq2seq import OnnxSeq2SeqConfigWithPast as OnnxSeq2SeqConfigWithPast
from .configs.setting import Setting as Setting
from .configs.tabled import TabledOnnxConfig as TabledOnnxConfig
from .configs.tabled import TaskTable as TaskTable
from .configs.tabled_inputs import TabledInput as TabledInput
from .configs.tabled_inputs import TabledPlaceholder as TabledPlaceholder
from .configs.tasks import TasksManager as TasksManager
from .configs.tasks import register as register
from .configs.tasks import supported_tasks_mapping as supported_tasks_mapping
from .configs.text_inputs import (
    DummySeq2SeqDecoderTextInputGenerator as DummySeq2SeqDecoderTextInputGenerator,
)
from .configs.text_inputs import DummyTextInputGenerator as DummyTextInputGenerator
from .errors import AtolError as AtolError
from .errors import DescriptionError as DescriptionError
from .errors import DtypeError as DtypeError
from .errors import ExporterError as ExporterError
from .errors import HarnessError as HarnessError
from .errors import NonFiniteError as NonFiniteError
from .errors import OutputMatchError as OutputMatchError
from .errors import RuntimeRefusalError as RuntimeRefusalError
from .errors import ShapeError as ShapeError
from .errors import UnsupportedOpsetError as UnsupportedOpsetError
from .errors import UsageError as UsageError
from .errors import ValidationError as ValidationError
from .exporters import Artifact as Artifact
from .exporters import Exporter as Exporter
from .exporters import register_exporter as register_exporter
from .exporters._api import export as export
from .judge import check as check
from .judge import validate_model_outputs as validate_model_outputs
from .judge.cell import judge_cell as judge_cell
from .judge.shared_work import SharedWork as SharedWork
from .records import CellId as CellId
from .records import CellReport as CellReport
from .records import Outcome as Outcome
from .records import Record as Record
