// What the GPU test's tasks do on a device; compiled by nvcc, which needs no header of Manta for it.
#pragma once

#include <string>
#include <vector>

std::vector<int> add_one_on_device(const std::vector<int>& values);
int devices_seen();
std::string device_address();  // PCI address of device 0
