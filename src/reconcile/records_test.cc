#include "reconcile/records.h"
