"""A network of two layers as every engine's files, for a doctor: small enough to be sent anywhere.

Of RGB (3, 8, 8): a 3x3 convolution to 4 channels with padding 1, all weights 1/27, ReLU, the mean over the image, a
dense layer to 2 classes whose weights are 0.5 and 0, softmax; no biases. The converters of the extra `build` wrote it.
C is generated from an int8 file.
"""

from __future__ import annotations

import base64
import zlib

from edgefer.runtime.c.generate import generate

_PACKED: dict[str, dict[str, str]] = {
    "tflite": {
        "model.tflite": (
            "eNrtVs9LFFEc/87+cEddTGjxRy20RIQHGXXzEKxhpETCRiBGEMFrc0d3anZmmZ3Vgg4ePUR06NCf0LFDRESEhIegDh06dPDQ0YMHD1Fq"
            "2vT9vvddd3K9qgQNfOb73ve97+/3Kw0AU5fz51KQgRjokIROSCGvB9KSRmkccQVha4DjAF+ZR+2VNuwjLiLutwIs6QC3WwCWsb+EeIt4"
            "jUih7Becr5Eu/MWQPsTfAhpYjOCYpsY6gb42pEn0JoYtZSeNyCCOIaqmN2c5s6JozhRqti/lUqy7D6GzrC7byhZRt+ZXar4YJAtzP4KA"
            "+OgqFLzZKnEjHCfxPwRBQDLtiG7EPdOsiKpfuGObJdsV066DHceHd6yH4Hs1k2yT5bpt8v84omw5wqs5vlU2xZzpVS3XgS2WpZizxqAh"
            "HeOP4ryan5jMjLkOzvfNooGcDqxLo0odyBlHnEf0cw7qvpQLlgPcXsLAVjE5K9ge4TzpTOnDssEyMj4lAIYRtzAp61iXNZRbx0kbbOfu"
            "7yCg6VGuRyfrf/+T+AujYb2oBio7QdCrTPQS75WcB9ow26S51D7VXFNRrxU3ZG1IB9GRDdLTASc4EwnOBamM8BpIh9aSLmlC1oLU1P2L"
            "cv2pj+UOMhhfK6ckjr+ZDeXvI/aVQO152guWj1URvutNlwxaDlQkw8eVUSo4jmkLu1D1heUaY6qfx+7EtRteoVIxvQEhqD5CGFOW80DM"
            "S25xQClzHKPsFmu2WTVsyzELnpGXRMxM57J/5WF8U+WhpzkPJzW5h9XeoRp9xlg0jpdk40xTGHefkumj8ZubKmabc0QxU/v6wcScG2I/"
            "NPazZ0vFlOJ9nMC4OCaN9scZrmuSV5+OOyXJ8lqovnGub30PRFmmXdKYlOHxKM2f3FJxf+McUdyriI8HFHfuUBYQqTXoBMkWpYmczIUW"
            "Ws/UX8PYJ3811nqcx54e5lpvcnVo9yyLhvAM/cxuq3PzBQZy9mX3hf/4d/Bmp7HO6vfyIt3HR7bOGmfPd/Tt8e/Gndz8dcmztmX3laTu"
            "lS5JI/LMjHJMJX4jHcTZAaE74Dn6eylQPuuhs/R00MhzhMeeHOndNST9iOy+UVokpdNWlz3Fz6ikju7BvnWAfesAWn/ojBuWs5vfF/U3"
            "397zkOq3LfMZk2N/ANcVmcc="
        ),
    },
    "c": {
        "model.tflite": (
            "eNq9VLFOG0EQnT0vcAcWXOHCOFaUwkIuUiAFJUFYggpRuKBISU0RuUidhrOgoOADKCI+IEW+IDVFRJGCCqWgQaKKImrw8Wb3nW99IEjFSO9u"
            "d/b2zczb2WuLyKfN/jtxNi8NSaUuMcYWM8FM5BbIpkRqeE8D18AA6AMrQNt9LXI6ynN9x1LaReDbg6nvb+AzQKTIvS+Vh/aaawNyvJS1Edcw"
            "p/pYGYun933EYg/YML7+S+AY2AYa1LPFfXPUs+1LSvT9RrymqqryTrtxtq4xE2qjGv1CHp5P4pTcqtlP5heTZ4rnM8PYzUrspud41eDYuHOz"
            "LnfD/RG57Lgf5LH8TQePrtPFqxMjap1rhnyGXDWeY3HWYX1qs8AZFraAcziPgC9ABzjH2iGwxZw+3+U54yQafwfzmJooX5Z7kzF/thYFsb8H"
            "+7WGb9yfVvbreJhJL9y7i75NqZO6lvH4w/1NflM19R3uDz8oCp4f5LHMQ3k6o+d5bDRcU0TFHPg6mqxnMHqqnlILS+WLs50tzymyQc0XFf6z"
            "Z/ht0Lcx45zkvl7WFelZNnLP0y11eNL0m6VW630IM9GnqSxU/lvsr0T/UweM9/Y/4xUxb66OV0NY+msTvT1PHWUcn3ctWXG3wytY/DvCfg3N"
            "1ROZXlXD4j72mX+T89+oabHUdfES8yToq3+Yd8v1bt1pVOYR3M3aPVY34h8="
        ),
    },
    "onnx": {
        "model.onnx": (
            "eNrtVEtP4zAQbh4l7lBKYiisgAPkwMGHhscFIa3oFgmknhDsaS+V27pNRBpHicvrxE+Bf8CB/RP8qrVDQ6BF3Fci1ozm4e/LyDMahLAV"
            "3wqe9Py1ub3G7n5j5/BvBR410IMI5ns8umpcs2DoC6hkTjegKV7ylO0dS9XhYxGPRWdnDYqgaypNMFT6QUhFwKO0qTW1B80iVSgPEz6O"
            "f0hPJ3WoXrIkYmEn9WnMmkbTUJccMGPazzA5zgYrFUnQZzkT7MFnZeCad87CcVFWOfNdU2n4DVNpvO6dhrxLw19XLKFDdsZ5WGDxbNJ1"
            "ZkJwBl+xYMc7kY8gWFQQozzkWhODzINJb4I0exe4g1kQVAa9vBeWNLNOON6g552y0eg99yTkmkqTRSjTMPZpvVS6P3rQNFIDs8tE4S/A"
            "nEholLZe/30As6TYkJZkvuADMaI3rjUxPlSNYUSDqDNMaOyTFwOZyFDH1lrv56j9ZGw/r/78lv9HyBYyZReLBdC2S1Mf2Uf666W3IW1v"
            "yvjRlHwErSJdQvJhbqM88WdDrR+8AstIwzboSK4jZEhBSrp1UOOIa1CVaTRJ6y3ddv4B+9hN4w=="
        ),
    },
    "openvino": {
        "model.xml": (
            "eNrNWGtvmzAU/bz9CsTnNI4NeUm00x7qVGndqkzbPlpuuEm9gY3AdOl+/WzefUDJq5sUJcbYx+eee7h28N5swsC6hTjhUpzaeDiy35y9"
            "9gQoS7AQTm0pxIaex1IoED69WNiNwdg+e/3KC9id7tGtomlx/9Qe2cV8LmxL3UW6dcVi3aMgbkDIKAGVwejZPlPMSm6YGYwHzmA2mNkW"
            "BBCCUDTHWDnEtlA+XKYqSlXWfuVFMlblwlEMS57jn1+ZCYZJklHJR+uleHiGPWR+Gj3Oo55ZZ4+HzLI5G1TT8VCmwwNFcKnIUorb4W/g"
            "6xtVSvNeikR1yvKEDIVS7sBy8o9tydVKT8xESPgfc3MfvZpEmxK4PYTr7tlKOFIKhwwh9N58/eDqRs97x1kCSUPFWxmkSkfSbTEVc98E"
            "iAeWzorPA2bmVB0R8xN6DWsu7vVo/5fXLFWS6s5TGzZRwJdcVSpz0U/kozmxsSzuXvbAeawjb7EaabdanVqaz6WjZxRyj/msOpXlFhCk"
            "pb8W8Olbm7EOk/a9gnpWf9yhv4nzv5DeLaVfMLEGStxdaySfuFWNJHVpzCpiXhzxZKvaeKEBmyGSXUMcV+76GMhrFrzVMbE1XEkZ1Fbz"
            "0yVcAuuuZL8AIqpJ6AyqOIUDFyH3CEWot4h7VZNHuu5ubdzZs1XeJ2XetZWXTFFncnBzu7N/be5pZe5zva3qQ2Nt6Yxv984caUIsoH8g"
            "li9k6d75/ceWLtTcxchb5W9W5m+1POAhlQwst2HTzL2ZTfc5n9YM2+TfU4t55eXVEn2EMHz63HnJ1GUadCqjYiaSSCZAmebNgkQbu+67"
            "PrrXdzofbqHkXtYuxO1r7Z1LE67+lOqRZfK+ypW6ZJuH2Zs1s8c2PMnUOmh+yDEOciayY8mHG/KhhItf1MzW+aorfBo8USGsIrEPKb6Y"
            "jnU8Rcu8rfDAX0P+2sK0rFUsw5PsbsYhuzRg2ZWS5S2SXVQ30NMAuB8AbgUg9wBIE8DpxcC5B4CbAONeAG57CONeIYzbQ5j2YjBpZzDt"
            "xWDazmDei8GsncG8F4N5OwM86uekUXsiMX4M4aHS155+NrlYyQzXNIqn90sE4vvF5y/WIhWKh+ZExoLUbNIjMhm6Q3xCyHxGToBgh2F3"
            "SsbTk1hv7WbLQ2YMcku2BQItnvjdgczf/xyDRuVrwqRRJGgofQhK/A8XCxQOzZvJuiQnNLrTe7M+IF3/hKUqh57ne22+CmpbxkOVVh4S"
            "oIvGX0vT2Qg="
        ),
        "model.bin": ("eNpT2yJuqzaKhwxmYoAAZij9HwpYGODAHg2jAAAxP4hm"),
    },
    "ncnn": {
        "model.param": (
            "eNotzjEOgzAMBdA9p/hHiIEQOmTq1A2pJ4C0VEg0RhCqHr+fqIP1LfnJtvetd+KNgzO3tB4Zc4KFlAgdhFWF2lw1fXQ58qwJkT1FMQNV"
            "Q1WjCQLHaoPYDpcgpldd5vTCyix+wEguJ+Wx9Nz6TR9HzJhimY+InFdcJzzambtO+T18sf/zNBHKJ22wpzI/nOEyZQ=="
        ),
        "model.bin": ("eNpjYGBgUNsibjuKhw5mwA7s0TBWAADW34Bl"),
    },
}


def files(engine: str) -> dict[str, bytes]:
    """The network's files in an engine's format, by name; the first one is opened."""
    stored = {name: zlib.decompress(base64.b64decode(text)) for name, text in _PACKED[engine].items()}
    return generate(stored["model.tflite"], "tiny") | stored if engine == "c" else stored
