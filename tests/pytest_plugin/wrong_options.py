"""Values of options that are refused, and the line that says why."""

from __future__ import annotations

WRONG = [
    (("--profile", "nihgtly"), "profile 'nihgtly' is not known; did you mean nightly?"),
    (("--architecture", "whispr"), "--architecture 'whispr': matches none; did you mean whisper?"),
    (("--task", "fill-maks"), "--task 'fill-maks': matches none; did you mean fill-mask?"),
    (("--exporter", "dynamoo"), "--exporter 'dynamoo': matches none; did you mean dynamo?"),
    (("--requirement", "chekcer"), "--requirement 'chekcer': matches none; did you mean checker?"),
    (("--opset", "18..14"), "--opset '18..14': ends before it starts; write 14..18"),
    (("--opset", "0"), "--opset '0': opset 0 is outside 1..99"),
    (("--max-examples", "0"), "--max-examples '0': not a positive number"),
    (("--max-examples", "many"), "--max-examples 'many': not a positive number"),
    (("--cell-timeout", "0"), "--cell-timeout '0': not a number of seconds above 0; write 600"),
    (("--cell-memory", "4X"), "--cell-memory '4X': not a size; write 4G or 512M"),
    (("--shard", "3/2"), "--shard '3/2': there is no such shard; give 1/2 to 2/2"),
    (("--shard", "0/2"), "--shard '0/2': there is no such shard; give 1/2 to 2/2"),
    (("--shard", "x"), "--shard 'x': not a shard; write 1/3 for the first of three"),
    (("--config-module", "no_such_module"), "config module 'no_such_module' cannot be imported"),
    (("--expectations", "none.toml"), "none.toml: cannot be read (No such file or directory)"),
    (("--architecture", "vit", "--task", "fill-mask"), "vit with --task fill-mask selects no cell"),
]
