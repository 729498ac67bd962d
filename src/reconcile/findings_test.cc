#include "reconcile/findings.h"
