#include "reconcile/compare.h"
