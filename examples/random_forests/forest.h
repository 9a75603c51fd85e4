// One random forest (dlib's), trained and tested: what each task does.
#pragma once

#include "houses.h"

// Of the houses, the first so many are for training, the others for the test.
inline std::size_t training_part(const Houses& houses) { return houses.size() / 5 * 4; }

// Trains a forest with one thread, and returns how far its prices are off: the root of the mean square, over the test.
double forest_error(const Houses& houses, int trees);
