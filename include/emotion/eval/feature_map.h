#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace emotion {

/// Features seen from the two directions in which they vary most.
struct PrincipalMap {
  at::Tensor points;          ///< double [n, 2]
  double explained[2]{0, 0};  ///< part of the whole variance that each axis shows
};
/// Principal component analysis of features [n, D], n >= 2; the sign of an axis is that of its largest loading.
/// @throws DataError for NaN or infinite features
PrincipalMap principal_map(const at::Tensor& features);

/// t-distributed stochastic neighbour embedding (van der Maaten and Hinton, 2008), exact, for some hundreds of points: features
/// [n, D] -> double [n, 2]. Begins from the principal map, so that it needs no chance: the same features give the same map.
///
/// Points that are neighbours stay neighbours; distances between far groups mean nothing. `perplexity` is about the number of
/// neighbours that count, at most (n - 1) / 3.
at::Tensor neighbour_map(const at::Tensor& features, double perplexity = 20, int iterations = 400);

/// For each row of `queries`, the `count` other rows of features [n, D] of largest cosine, nearest first.
std::vector<std::vector<std::int64_t>> nearest_rows(const at::Tensor& features, const std::vector<std::int64_t>& queries,
                                                    std::int64_t count);

}  // namespace emotion
