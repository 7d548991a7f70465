// The same for sources with tensors.
#include <ATen/ATen.h>

#include "plain_pch.h"
