// The same for tests with networks.
#include <torch/nn/module.h>

#include "test_pch_tensors.h"
