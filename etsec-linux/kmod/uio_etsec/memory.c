// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of a controller, and when the kernel gets it back: not before its
 * last mapping has gone, and not before every controller that may reach it has
 * stopped. It knows no mapping and no register.
 *
 * Who has several controllers may put buffers of one into rings of another, as
 * it does between which it forwards. When a device is taken away from under such
 * a process, the other one goes on, and may still read and write that memory when
 * the process, and with it the last mapping, has gone.
 */
#include <linux/dma-mapping.h>
#include <linux/list.h>
#include <linux/slab.h>

#include "uio_etsec.h"

/* Protects both lists, and what etsecs in them remember of it. */
static DEFINE_MUTEX(dma_lock);
/* Controllers that may do DMA, in the order in which they began to. */
static LIST_HEAD(running);
/* Those that are gone and unmapped, in the order in which they came to it. */
static LIST_HEAD(waiting);
/* Counts who began to run. */
static u64 begun;

static void etsec_free(struct etsec *etsec)
{
	if (etsec->dma)
		dma_free_coherent(etsec->dev, etsec->dma_size, etsec->dma,
				  etsec->dma_addr);
	if (etsec->blank)
		__free_page(etsec->blank);
	put_device(etsec->dev);
	kfree(etsec);
}

/* Frees what none of those can reach that run. */
static void etsec_sweep(void)
{
	struct etsec *oldest, *etsec, *next;

	oldest = list_first_entry_or_null(&running, struct etsec, runs);
	list_for_each_entry_safe(etsec, next, &waiting, waits) {
		if (oldest && oldest->began <= etsec->until)
			return;
		list_del(&etsec->waits);
		etsec_free(etsec);
	}
}

static void etsec_unused(struct kref *ref)
{
	struct etsec *etsec = container_of(ref, struct etsec, ref);

	mutex_lock(&dma_lock);
	/* Who begins later cannot have learned of it. */
	etsec->until = begun;
	list_add_tail(&etsec->waits, &waiting);
	etsec_sweep();
	mutex_unlock(&dma_lock);
}

void etsec_put(struct etsec *etsec)
{
	kref_put(&etsec->ref, etsec_unused);
}

/**
 * etsec_runs - note that the controller may do DMA from here on
 * @etsec:	the controller
 */
void etsec_runs(struct etsec *etsec)
{
	mutex_lock(&dma_lock);
	if (list_empty(&etsec->runs)) {
		etsec->began = ++begun;
		list_add_tail(&etsec->runs, &running);
	}
	mutex_unlock(&dma_lock);
}

/**
 * etsec_rests - note that the controller does no DMA any more
 * @etsec:	the controller, which has been stopped
 *
 * What waited for that is given back.
 */
void etsec_rests(struct etsec *etsec)
{
	mutex_lock(&dma_lock);
	list_del_init(&etsec->runs);
	etsec_sweep();
	mutex_unlock(&dma_lock);
}

/**
 * etsec_alloc - get the DMA memory and make a map of it
 * @etsec:	the controller, with all its other maps
 * @size:	bytes of it
 *
 * The memory is zeroed. It is freed with @etsec.
 *
 * Return: 0, or a negative error code.
 */
int etsec_alloc(struct etsec *etsec, size_t size)
{
	struct device *dev = etsec->dev;
	struct uio_mem *map;
	int ret;

	etsec->blank = alloc_page(GFP_KERNEL);
	if (!etsec->blank)
		return -ENOMEM;
	memset(page_address(etsec->blank), 0xff, PAGE_SIZE);

	/*
	 * The device can form 36 bits, but one register holds the upper ones of
	 * all its rings: one window of 4 GiB is all there is (HW 4.5).
	 */
	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(32));
	if (ret)
		return dev_err_probe(dev, ret, "no DMA below 4 GiB\n");
	etsec->dma_size = PAGE_ALIGN(size);
	etsec->dma = dma_alloc_coherent(dev, etsec->dma_size, &etsec->dma_addr,
					GFP_KERNEL | __GFP_NOWARN);
	if (!etsec->dma) {
		dev_err(dev, "no %zu KiB of contiguous memory (parameter dma_kib)\n",
			etsec->dma_size / SZ_1K);
		return -ENOMEM;
	}

	map = etsec_add_map(etsec, "dma", etsec->dma_addr, etsec->dma_size);
	if (!map)
		return -ENOSPC;
	map->memtype = UIO_MEM_IOVA;
	return 0;
}
