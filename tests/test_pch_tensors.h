// The same for tests with tensors.
#include <ATen/ATen.h>

#include "test_pch_plain.h"
