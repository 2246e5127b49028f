// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pages of a controller in processes, and the DMA memory.
 *
 * Both may be mapped when the driver lets go of the device. Its registers are
 * taken out of all processes then, for whoever could still write to them could
 * start DMA again; reads say all ones from then on, as of a device that is gone.
 * The memory stays until its last mapping goes at least (see memory.c).
 */
#include <linux/dma-mapping.h>

#include "uio_etsec.h"

/* UIO maps whole pages; what lies beside a smaller one is not ours to show. */
static_assert(PAGE_SIZE == ETSEC_PAGE);

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}
#endif

static void etsec_vma_open(struct vm_area_struct *vma)
{
	struct etsec *etsec = vma->vm_private_data;

	kref_get(&etsec->ref);
}

static void etsec_vma_close(struct vm_area_struct *vma)
{
	etsec_put(vma->vm_private_data);
}

/*
 * Register pages are mapped here only, once the mapping can be found by who
 * revokes it, and never in mmap, where it cannot yet.
 */
static vm_fault_t etsec_regs_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct etsec *etsec = vma->vm_private_data;
	vm_fault_t ret;

	mutex_lock(&etsec->lock);
	if (etsec->gone)
		/* Memory is not to be mapped as a device is. */
		ret = vmf_insert_pfn_prot(vma, vmf->address & PAGE_MASK,
					  page_to_pfn(etsec->blank),
					  vm_get_page_prot(vma->vm_flags));
	else
		ret = vmf_insert_pfn(vma, vmf->address & PAGE_MASK,
				     PHYS_PFN(etsec->info.mem[vma->vm_pgoff].addr));
	mutex_unlock(&etsec->lock);
	return ret;
}

static const struct vm_operations_struct etsec_regs_ops = {
	.open = etsec_vma_open,
	.close = etsec_vma_close,
	.fault = etsec_regs_fault,
};

static const struct vm_operations_struct etsec_dma_ops = {
	.open = etsec_vma_open,
	.close = etsec_vma_close,
};

static int etsec_mmap_dma(struct etsec *etsec, struct vm_area_struct *vma)
{
	unsigned long index = vma->vm_pgoff;
	int ret;

	/* To UIO the offset is the number of the map, here it is one in it. */
	vma->vm_pgoff = 0;
	/* Cached where the device snoops, as it does in all SoCs of e500. */
	ret = dma_mmap_coherent(etsec->dev, vma, etsec->dma, etsec->dma_addr,
				etsec->dma_size);
	vma->vm_pgoff = index;
	return ret;
}

/**
 * etsec_mmap - map a page of registers, or the DMA memory
 * @info:	the UIO device
 * @vma:	where to; the UIO core has seen that it is no larger than the map
 *
 * Return: 0, or a negative error code.
 */
int etsec_mmap(struct uio_info *info, struct vm_area_struct *vma)
{
	struct etsec *etsec = info->priv;
	int ret;

	/* A private copy of a device is nothing. */
	if (is_cow_mapping(vma->vm_flags))
		return -EINVAL;

	if (vma->vm_pgoff == etsec->maps - 1) {
		ret = etsec_mmap_dma(etsec, vma);
		if (ret)
			return ret;
		vma->vm_ops = &etsec_dma_ops;
	} else {
		vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
		vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
		vma->vm_ops = &etsec_regs_ops;
	}
	vma->vm_private_data = etsec;
	etsec_vma_open(vma);
	return 0;
}

/* Takes the registers out of all processes; @etsec is gone already. */
void etsec_revoke(struct etsec *etsec)
{
	/* One page for each map; that of the DMA memory is behind them. */
	loff_t length = (loff_t)(etsec->maps - 1) << PAGE_SHIFT;
	struct inode *inode;

	/* The last user may be leaving in this moment. */
	mutex_lock(&etsec->lock);
	inode = etsec->inode;
	if (inode)
		ihold(inode);
	mutex_unlock(&etsec->lock);
	if (!inode)
		return;
	unmap_mapping_range(inode->i_mapping, 0, length, 1);
	iput(inode);
}
