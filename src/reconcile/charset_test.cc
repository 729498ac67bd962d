#include "reconcile/charset.h"
