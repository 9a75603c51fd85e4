#!/usr/bin/env python3
"""ask.py ADDRESS MNIST: sends the 10,000 test images to the model digits by Triton's client, and counts the right answers."""

import sys

import numpy as np
import tritonclient.http as triton

address, folder = sys.argv[1:]
images = np.fromfile(f"{folder}/t10k-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 28, 28)
labels = np.fromfile(f"{folder}/t10k-labels-idx1-ubyte", np.uint8)[8:]
client = triton.InferenceServerClient(address, concurrency=8)
asked = []
for start in range(0, len(images), 50):
    batch = np.ascontiguousarray(images[start:start + 50])
    tensor = triton.InferInput("images", batch.shape, "UINT8")
    tensor.set_data_from_numpy(batch)
    asked.append(client.async_infer("digits", [tensor]))
found = np.concatenate([answer.get_result().as_numpy("scores").argmax(1) for answer in asked])
print(f"accuracy over HTTP: {100 * (found == labels).mean():.2f} %")
client.close()
