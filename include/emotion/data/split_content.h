#pragma once

#include <string>

#include "emotion/data/manifest.h"
#include "emotion/io/content_hash.h"

namespace emotion {

/// Which parts of a data set a result was made of.
enum class SplitParts {
  kSamples,  ///< classes, and the split's pictures with what its lines say of them
  kStimuli   ///< also the faces and regions that have been found, and the polarity of the classes
};

/// Adds what a split holds to the contents of a result: `classes of data/fi`, `split train of data/fi`, and by `parts` `polarity
/// of data/fi` and `faces and regions of split train of data/fi` where there are any.
///
/// Of all lines, but of the files of 64 of them alone, spread over the split, and of each its size and first 64 KiB: a set that
/// was imported or looked at anew is told in a moment from a copy of itself, a single picture that was exchanged is not.
/// @throws DataError
void add_split(Contents& contents, const Dataset& dataset, const std::string& split, SplitParts parts);

}  // namespace emotion
